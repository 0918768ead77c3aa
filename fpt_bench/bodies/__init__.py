"""The transformer between input layer and readout."""
