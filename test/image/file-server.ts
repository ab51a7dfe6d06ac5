/** Serves one file over HTTP, parts of it included: RAUC fetches a bundle piece by piece. */
import {createReadStream, statSync} from "node:fs";
import {createServer, type Server} from "node:http";
import type {AddressInfo} from "node:net";

export interface FileServer {
    readonly url: string;
    readonly close: () => Promise<void>;
}

export async function serveFile(address: string, path: string): Promise<FileServer> {
    const server: Server = createServer((request, response) => {
        const size = statSync(path).size;
        const range = /^bytes=(\d+)-(\d*)$/u.exec(request.headers.range ?? "");
        const start = Number(range?.[1] ?? 0);
        const wanted = range?.[2] === undefined || range[2] === "" ? size - 1 : Number(range[2]);
        const end = Math.min(wanted, size - 1);
        if (start > end) {
            response.writeHead(416).end();
            return;
        }
        const headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": end - start + 1,
            "Content-Type": "application/octet-stream",
            ...(range === null ? {} : {"Content-Range": `bytes ${start}-${end}/${size}`}),
        };
        response.writeHead(range === null ? 200 : 206, headers);
        if (request.method === "HEAD") response.end();
        else createReadStream(path, {start, end}).pipe(response);
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, address, resolve);
    });
    const bound: AddressInfo | string | null = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    return {
        url: `http://${address}:${port}/update.raucb`,
        close: () =>
            new Promise((resolve) => {
                server.closeAllConnections();
                server.close(() => resolve());
            }),
    };
}
