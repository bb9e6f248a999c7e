-- Which node holds which file of which dataset. node '': every node sees it.

CREATE TABLE replica (
    dataset  text NOT NULL,
    node     text NOT NULL,
    file     text NOT NULL,
    path     text NOT NULL,
    size     bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    seen     double precision NOT NULL,
    PRIMARY KEY (dataset, node, file)
);
