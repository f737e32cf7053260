/** The bytes do not follow the base protocol; where the next message begins cannot be known. */
export class FramingError extends Error {}

/** A header block has a few dozen bytes; the protocol's bound keeps garbage from being collected for ever. */
export const MAX_HEADER_BYTES = 8 * 1024

/** What the engine accepts as one message's body; larger ones are refused before they are sent. */
export const MAX_OUTGOING_BODY_BYTES = 64 * 1024 * 1024

/** About the longest string that V8 can hold; a larger body could not be parsed anyway. */
export const MAX_INCOMING_BODY_BYTES = 512 * 1024 * 1024

const END_OF_HEADER = '\r\n\r\n'
const LF = 0x0a
const CR = 0x0d

/** One message with its header, in a single buffer so that it is handed to the pipe in one write. */
export function encodeFrame(body: string): Buffer {
    const bodyBytes = Buffer.byteLength(body, 'utf8')
    const header = `Content-Length: ${bodyBytes}${END_OF_HEADER}`
    const frame = Buffer.allocUnsafe(header.length + bodyBytes)
    frame.write(header, 0, 'latin1')
    frame.write(body, header.length, 'utf8')
    return frame
}

/** Cuts a stream of bytes, which arrives in arbitrary pieces, into message bodies. */
export class FrameDecoder {
    private header = Buffer.allocUnsafe(0)
    private body: PartialBody | undefined

    /**
     * Yields each body that `chunk` completes. The caller must run the generator to its end.
     * @throws FramingError when the bytes are not the protocol; the decoder is of no use afterwards.
     */
    *decode(chunk: Buffer): Generator<Buffer, void, void> {
        let rest = chunk
        while (rest.length > 0 || this.body?.missing === 0) {
            if (this.body === undefined) {
                rest = this.readHeader(rest)
            } else {
                rest = this.body.take(rest)
                if (this.body.missing === 0) {
                    const complete = this.body.join()
                    this.body = undefined
                    yield complete
                }
            }
        }
    }

    /** Takes bytes up to the end of the header block and returns those after it. */
    private readHeader(chunk: Buffer): Buffer {
        const block = this.header.length === 0 ? chunk : Buffer.concat([this.header, chunk])
        const end = block.indexOf(END_OF_HEADER, 0, 'latin1')
        const header = end < 0 ? block : block.subarray(0, end)
        if (header.length > MAX_HEADER_BYTES) {
            throw new FramingError(`a header block of more than ${MAX_HEADER_BYTES} bytes`)
        }
        if (end < 0) {
            // A line of garbage has no empty line after it; without this check it would be waited for.
            refuseBareLineFeed(header)
            this.header = header
            return block.subarray(block.length)
        }
        this.header = Buffer.allocUnsafe(0)
        this.body = new PartialBody(contentLength(header.toString('latin1')))
        return block.subarray(end + END_OF_HEADER.length)
    }
}

/** The pieces of a body, joined once at its end so that a large body is copied once. */
class PartialBody {
    private readonly pieces: Buffer[] = []
    missing: number

    constructor(length: number) {
        this.missing = length
    }

    take(chunk: Buffer): Buffer {
        const piece = chunk.subarray(0, this.missing)
        this.pieces.push(piece)
        this.missing -= piece.length
        return chunk.subarray(piece.length)
    }

    join(): Buffer {
        const [only] = this.pieces
        return this.pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.pieces)
    }
}

function contentLength(header: string): number {
    let length: number | undefined
    for (const line of header.split('\r\n')) {
        const field = /^([!-9;-~]+):[ \t]*([^\r\n]*?)[ \t]*$/.exec(line)
        if (field === null) throw new FramingError(`${quote(line)} where a header was expected`)
        const [, name = '', value = ''] = field
        if (name.toLowerCase() !== 'content-length') continue
        if (length !== undefined) throw new FramingError('two Content-Length headers in one message')
        if (!/^\d{1,15}$/.test(value)) throw new FramingError(`Content-Length ${quote(value)}`)
        length = Number(value)
    }
    if (length === undefined) throw new FramingError(`a header block without Content-Length: ${quote(header)}`)
    if (length > MAX_INCOMING_BODY_BYTES) throw new FramingError(`a message of ${length} bytes`)
    return length
}

function refuseBareLineFeed(header: Buffer): void {
    for (let at = header.indexOf(LF); at >= 0; at = header.indexOf(LF, at + 1)) {
        if (header[at - 1] !== CR) {
            throw new FramingError(`${quote(header.toString('latin1', 0, at))} where a header was expected`)
        }
    }
}

function quote(text: string): string {
    return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
