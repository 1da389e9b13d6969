"""The status page: one look tells whether anything is about to stop.

One HTML document made of frozen reports alone. `markup` escapes, `root`, `images`,
`health` and `settings` each write a part, and `document` puts them together with `page.css` and `page.js`.
"""
