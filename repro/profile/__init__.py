"""What a params file says, checked once: settings, places, runs, and the pipeline that follows from them. Imports no torch."""
