"""Figures: metrics, MATLAB's bicubic, the protocol."""
