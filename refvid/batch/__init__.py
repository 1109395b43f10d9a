"""Many videos with one loaded model: a failure stays alone, and finished work is not done twice.

`plan` says what is to be done, `run` does it, `record` remembers what is finished. The function that segments one video
is handed in, so that nothing here knows the network.
"""
