"""Parts of forms and plots that know nothing of a run."""
