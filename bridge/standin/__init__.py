"""A stand-in for n8n 2.41: answers as a real one was seen to answer, and remembers."""
