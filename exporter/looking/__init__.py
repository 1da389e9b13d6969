"""The pass: one look at a root after another, what is kept between them, and the frozen report."""
