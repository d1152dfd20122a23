"""Small programs that keep the repository clean, and those that pipelines call beside the verbs."""
