"""What the table of word vectors is built from: word lists, WordNet, and a model of sentences."""
