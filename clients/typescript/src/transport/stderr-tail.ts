/** Enough to hold a fatal error with its context, little enough to put into an error's message. */
const MAX_LINES = 20
const MAX_CHARACTERS = 8 * 1024

/** Keeps the last lines of an endless log. */
export class StderrTail {
    private text = ''

    append(chunk: string): void {
        this.text = (this.text + chunk).slice(-MAX_CHARACTERS)
    }

    toString(): string {
        return this.text.trimEnd().split('\n').slice(-MAX_LINES).join('\n')
    }
}
