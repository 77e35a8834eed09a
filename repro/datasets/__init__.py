"""Which videos exist, what they show, and the official splits: UCF101, HMDB51, J-HMDB, and folders of one's own."""
