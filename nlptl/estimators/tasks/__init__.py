"""Tasks of a multi-task model: data, joint training, comparison of variants, and saving."""
