"""What backdrops and occluders are painted with: brush, noise, colours, plants, buildings, furniture, whole views."""
