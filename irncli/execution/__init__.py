"""Running a network on a picture of any size: half-step by half-step, tile by tile, in place."""
