"""Building the table of word vectors from word lists, WordNet and a sentence encoder."""
