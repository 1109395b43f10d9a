"""Photos of objects of many classes with a mask for each: what is said of them, as they are and pasted into clips."""
