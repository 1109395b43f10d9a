"""The painters of backdrops and occluders: canvas, noise, colours, plants, buildings, furniture and whole views."""
