"""A procedural world of moving actors, and composites of real photos, with sentences that name what is in them."""

from refvid.data.packages import need_package

need_package("cv2", "the world")  # its modules import it as they are read: say here, in a sentence, what is missing
