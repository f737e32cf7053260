import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFrame, FrameDecoder, FramingError, MAX_HEADER_BYTES } from '../dist/transport/framing.js'

const decode = (...chunks) => {
    const decoder = new FrameDecoder()
    return chunks.flatMap((chunk) => [...decoder.decode(Buffer.from(chunk))].map(String))
}

test('a frame counts bytes, not characters', () => {
    assert.equal(encodeFrame('"✓"').toString(), 'Content-Length: 5\r\n\r\n"✓"')
})

test('frames survive every way of being cut in two', () => {
    const bodies = ['{"a":"début ✓"}', '', '{}', 'Content-Length: 1\r\n\r\nx']
    const stream = Buffer.concat(bodies.map(encodeFrame))
    for (let cut = 0; cut <= stream.length; cut++) {
        assert.deepEqual(decode(stream.subarray(0, cut), stream.subarray(cut)), bodies, `cut at ${cut}`)
    }
})

test('frames survive coming byte by byte and all at once', () => {
    const bodies = ['1', '"💥"', '', '[]']
    const stream = Buffer.concat(bodies.map(encodeFrame))
    assert.deepEqual(decode(stream), bodies)
    assert.deepEqual(decode(...[...stream].map((byte) => [byte])), bodies)
})

test('an empty body is yielded as soon as its header ends', () => {
    assert.deepEqual(decode('Content-Length: 0\r\n\r\n'), [''])
})

test('other headers, any case and blanks around the value are accepted', () => {
    const frame = 'Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-LENGTH: \t2 \r\n\r\nok'
    assert.deepEqual(decode(frame), ['ok'])
})

for (const [what, bytes] of [
    ['a line of text', 'Segmentation fault\n'],
    ['a line of text before a header', 'hello\nContent-Length: 2\r\n\r\nok'],
    ['no Content-Length', 'Content-Type: x\r\n\r\n'],
    ['an empty header block', '\r\n\r\n'],
    ['a negative length', 'Content-Length: -1\r\n\r\n'],
    ['a hexadecimal length', 'Content-Length: 0x10\r\n\r\n'],
    ['no length', 'Content-Length: \r\n\r\n'],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 2\r\n\r\nok'],
    ['a length that no string can have', 'Content-Length: 99999999999\r\n\r\n'],
    ['an endless header', `X: ${'x'.repeat(MAX_HEADER_BYTES)}`],
    ['a long header', `X: ${'x'.repeat(MAX_HEADER_BYTES)}\r\n\r\n`],
]) {
    test(`${what} is refused`, () => assert.throws(() => decode(bytes), FramingError))
}
