"""A procedural world of moving actors, and composites of real photos, with sentences that name what is in them."""

from refvid.data.packages import need_package

need_package("cv2", "the world")  # the modules import cv2 on loading, so report here that it is missing
