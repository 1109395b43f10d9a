"""A procedural world of moving actors, and composites of real photos, with sentences that name what is in them."""
