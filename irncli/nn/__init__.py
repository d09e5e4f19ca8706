"""The mathematics: Haar transform, couplings, subnets and the network they make."""
