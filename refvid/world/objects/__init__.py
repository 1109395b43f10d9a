"""Photos of objects of many classes with masks: expressions for them, both in the photos and pasted into clips."""
