"""Which videos exist and the official splits: UCF101, HMDB51, J-HMDB, folders of one's own."""
