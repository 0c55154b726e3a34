"""Reading and writing files safely: one door for each."""
