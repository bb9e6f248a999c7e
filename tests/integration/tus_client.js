// Sends a file with tus-js-client, stops in the middle, and goes on with a new client from the
// address alone. Prints where it went on.
//   node tus_client.js NODE_MODULES ENDPOINT FILE VOLUME NAME [TOKEN]
"use strict";
const fs = require("fs");
const path = require("path");
const [, , modules, endpoint, file, volume, name, token] = process.argv;
const tus = require(path.join(modules, "tus-js-client"));

const size = fs.statSync(file).size;
const common = {
    uploadSize: size,
    chunkSize: 4 * 1024 * 1024,
    retryDelays: [0, 100, 500],
    headers: token ? { Authorization: "Bearer " + token } : {},
    onError: (e) => {
        console.error(String(e));
        process.exit(1);
    },
};

let resumedAt = -1;
function goOn(url) {
    const second = new tus.Upload(fs.createReadStream(file), {
        ...common,
        uploadUrl: url,
        onProgress: (sent) => {
            if (resumedAt < 0) resumedAt = sent;
        },
        onSuccess: () => console.log(JSON.stringify({ resumed_at: resumedAt })),
    });
    second.start();
}

const first = new tus.Upload(fs.createReadStream(file), {
    ...common,
    endpoint,
    metadata: { filename: name, volume },
    onChunkComplete: (_, accepted) => {
        if (accepted < size / 2) return;
        const url = first.url;
        first.abort().then(() => goOn(url));
    },
});
first.start();
