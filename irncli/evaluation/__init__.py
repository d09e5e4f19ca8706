"""How well a picture survives: metrics, baselines, protocols, peers and codecs."""
