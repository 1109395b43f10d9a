"""Segment many videos with one loaded model: one failure does not stop the rest, and finished work is skipped.

`plan` lists the jobs, `run` carries them out, and `record` remembers which ones are finished. The function that
segments one video is passed in, so that this package does not depend on the network.
"""
