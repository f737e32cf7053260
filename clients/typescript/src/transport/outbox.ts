import type { InputPipe } from 'node:child_process'

/** A frame on its way; while it waits it can be taken back. */
export interface QueuedFrame {
    readonly bytes: Buffer
}

/**
 * Hands frames to a pipe no faster than its reader takes them.
 *
 * What the pipe does not take waits here instead of in the stream's buffer, where it could not be taken back
 * any more and a cancellation could not overtake it.
 */
export class Outbox {
    private readonly waiting = new Set<QueuedFrame>()
    private readonly urgent = new Set<QueuedFrame>()
    private blocked = false

    constructor(private readonly pipe: InputPipe) {
        pipe.on('drain', () => {
            this.blocked = false
            this.flush()
        })
    }

    /** Sends `bytes`, or queues them in order; urgent ones go before all that waits. */
    send(bytes: Buffer, options: { urgent?: boolean } = {}): QueuedFrame {
        const frame = { bytes }
        const queue = options.urgent === true ? this.urgent : this.waiting
        queue.add(frame)
        this.flush()
        return frame
    }

    /** Takes a frame back. Returns false when it has already been handed to the pipe, and may reach the engine. */
    withdraw(frame: QueuedFrame): boolean {
        return this.waiting.delete(frame)
    }

    private flush(): void {
        for (const queue of [this.urgent, this.waiting]) {
            for (const frame of queue) {
                if (this.blocked) return
                queue.delete(frame)
                this.blocked = !this.pipe.write(frame.bytes)
            }
        }
    }
}
