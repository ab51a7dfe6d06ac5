/** Which mirror an image is built from, by the texts of apt's source files. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {
    deb822Sources,
    debianMirrors,
    listsName,
    oneLineSources,
    securityBeside,
} from "../../board/image/mirror.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const unknown = (): string => "";

describe("apt sources", () => {
    it("reads one-line sources with and without options and comments", () => {
        const found = oneLineSources(
            [
                "# deb http://commented.example/debian trixie main",
                `deb [arch=amd64 signed-by=${keyring}] http://one.example/debian trixie main contrib # here`,
                "deb-src http://one.example/debian trixie main",
                "deb http://two.example/debian/ trixie-updates main",
                "",
            ].join("\n"),
        );
        assert.deepEqual(found, [
            {
                uri: "http://one.example/debian",
                suite: "trixie",
                components: ["main", "contrib"],
                signedBy: keyring,
            },
            {
                uri: "http://two.example/debian/",
                suite: "trixie-updates",
                components: ["main"],
                signedBy: "",
            },
        ]);
    });

    it("reads deb822 stanzas: comments inside, folded fields, several suites, Enabled: no", () => {
        const found = deb822Sources(
            [
                "Types: deb deb-src",
                "# a remark between two fields",
                "URIs: https://mirror.example/debian",
                "Suites: bookworm",
                " bookworm-updates",
                "Components: main",
                `Signed-By: ${keyring}`,
                "",
                "Enabled: no",
                "Types: deb",
                "URIs: https://off.example/debian",
                "Suites: trixie",
                "Components: main",
                "",
                "Types: deb-src",
                "URIs: https://sources.example/debian",
                "Suites: trixie",
                "Components: main",
            ].join("\n"),
        );
        assert.deepEqual(
            found.map(({uri, suite}) => `${uri} ${suite}`),
            [
                "https://mirror.example/debian bookworm",
                "https://mirror.example/debian bookworm-updates",
            ],
        );
        assert.equal(found[0]?.signedBy, keyring);
    });
});

describe("the mirror", () => {
    const vendor = {
        uri: "https://vendor.example/node",
        suite: "nodistro",
        components: ["main"],
        signedBy: "/usr/share/keyrings/vendor.gpg",
    };
    const debian = {
        uri: "http://near.example/debian/",
        suite: "bookworm",
        components: ["main"],
        signedBy: keyring,
    };

    it("passes over other vendors, local copies and other components", () => {
        const sources = [
            vendor,
            {...debian, uri: "file:///srv/debian"},
            {...debian, uri: "cdrom:[Debian]"},
            {...debian, uri: "http://free.example/debian", components: ["contrib"]},
            debian,
        ];
        assert.deepEqual(debianMirrors(sources, unknown), {
            archive: "http://near.example/debian",
            security: "http://near.example/debian-security",
        });
    });

    it("takes an entry without a keyring when apt knows its origin", () => {
        const plain = {...debian, signedBy: ""};
        assert.equal(debianMirrors([plain], unknown), null);
        const asked: string[] = [];
        const found = debianMirrors([plain], (uri, suite) => {
            asked.push(listsName(uri, suite));
            return "Debian";
        });
        assert.equal(found?.archive, "http://near.example/debian");
        assert.deepEqual(asked, ["near.example_debian_dists_bookworm"]);
        assert.equal(
            debianMirrors([plain], () => "Ubuntu"),
            null,
        );
    });

    it("takes the security archive from its own entry", () => {
        const security = {
            ...debian,
            uri: "http://sec.example/debian-security",
            suite: "bookworm-security",
        };
        assert.deepEqual(debianMirrors([security, debian], unknown), {
            archive: "http://near.example/debian",
            security: "http://sec.example/debian-security",
        });
    });

    it("looks for the security archive beside the main one", () => {
        assert.equal(securityBeside("http://a.example/debian"), "http://a.example/debian-security");
        assert.equal(securityBeside("http://a.example/d/"), "http://a.example/d/debian-security");
    });
});
