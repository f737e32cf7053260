import type { EngineSession } from './engine-session'
import { EngineProtocolError } from './errors'
import type { CallOptions, WriteFileOptions } from './types'

/** How much one `fs/read` asks for; as base64 it stays well below the bound of a message. */
const READ_BYTES = 16 * 1024 * 1024

interface ReadResult {
    data: string
    eof: boolean
}

/** Reads a whole file, in several requests if it is large. */
export async function readWholeFile(session: EngineSession, sandboxId: string, path: string,
                                    options: CallOptions): Promise<Uint8Array> {
    const pieces: Buffer[] = []
    let offset = 0
    for (;;) {
        // base64 always: the end of a piece may cut a character in two.
        const params = { sandboxId, path, encoding: 'base64', offset, length: READ_BYTES }
        const { data, eof } = await session.call<ReadResult>('fs/read', params, options)
        const piece = Buffer.from(data, 'base64')
        pieces.push(piece)
        offset += piece.length
        if (eof) return Buffer.concat(pieces)
        if (piece.length === 0) throw new EngineProtocolError('fs/read', 'an empty piece before the end of the file')
    }
}

/** Writes a file in one request. base64 always: JSON strings do not carry every byte. */
export async function writeWholeFile(session: EngineSession, sandboxId: string, path: string,
                                     content: string | Uint8Array, writeOptions: WriteFileOptions,
                                     options: CallOptions): Promise<void> {
    const bytes = typeof content === 'string'
        ? Buffer.from(content, 'utf8')
        : Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const params = { ...writeOptions, sandboxId, path, data: bytes.toString('base64'), encoding: 'base64' }
    await session.call('fs/write', params, options)
}
