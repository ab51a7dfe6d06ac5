/** How the image tests judge what LEDs did: a judge that accepts everything would prove nothing. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {cycle, type Edge, halfLit, judge, off, on, parseEdges, since} from "../image/led-edges.ts";

/** Edges of a cycle from a time on, with a jitter that the index decides. */
function edgesOf(ms: readonly number[], fromS: number, toS: number, jitterMs: number): Edge[] {
    const edges: Edge[] = [];
    let at = fromS;
    for (let i = 0; at < toS; i += 1) {
        const late = ((i * 7919) % 11) / 10;
        const brightness = i % 2 === 0 ? 255 : 0;
        edges.push({at: at + (late * jitterMs) / 1000, led: "a", brightness});
        at += (ms[i % ms.length] ?? 0) / 1000;
    }
    return edges;
}

test("the lines of the record are read, half a line is not", () => {
    const edges = parseEdges("12.000001 apu:green:1 0\r\n13.500000 apu:green:1 255\n14.2000");
    assert.deepEqual(edges, [
        {at: 12.000001, led: "apu:green:1", brightness: 0},
        {at: 13.5, led: "apu:green:1", brightness: 255},
    ]);
});

test("a steady LED is told from one that blinked once", () => {
    const edges = parseEdges("1.000000 a 255\n");
    assert.deepEqual(judge(edges, "a", on, 2, 4), {fits: true, text: "on"});
    assert.equal(judge(edges, "a", off, 2, 4).fits, false);
    assert.equal(judge(edges, "b", off, 2, 4).fits, false);
    const blip = [...edges, ...parseEdges("3.000000 a 0\n3.050000 a 255\n")];
    assert.equal(judge(blip, "a", on, 2, 4).fits, false);
    assert.equal(judge(blip, "a", on, 3.1, 4).fits, true);
});

const shapes = [
    [100, 100],
    [200, 200],
    [50, 50],
    [1000, 1000],
    [100, 100, 100, 700],
    [1900, 100],
];

test("each pattern is itself and no other one", () => {
    for (const made of shapes) {
        const edges = edgesOf(made, 0, 30, 12);
        for (const asked of shapes) {
            const {fits, text} = judge(edges, "a", cycle(...asked), 10.03, 18.03);
            assert.equal(fits, made === asked, `${made} judged as ${asked}: ${text}`);
        }
        assert.equal(judge(edges, "a", on, 10, 18).fits, false);
    }
});

test("a pattern that stopped in the window does not fit", () => {
    const edges = edgesOf([100, 100], 0, 10, 5);
    assert.equal(judge(edges, "a", cycle(100, 100), 7, 9.9).fits, true);
    assert.equal(judge(edges, "a", cycle(100, 100), 7, 13).fits, false);
});

test("on and off are not confused", () => {
    const edges = edgesOf([100, 1900], 0, 30, 5);
    assert.equal(judge(edges, "a", cycle(100, 1900), 10, 20).fits, true);
    assert.equal(judge(edges, "a", cycle(1900, 100), 10, 20).fits, false);
});

test("half light and the last change are found", () => {
    const edges = parseEdges("1.000000 a 255\n2.000000 a 0\n3.000000 a 0\n3.500000 b 120\n");
    assert.deepEqual(halfLit(edges, 1), [{at: 3.5, led: "b", brightness: 120}]);
    assert.equal(since(edges, "a", false), 2);
    assert.equal(since(edges, "a", true), undefined);
});
