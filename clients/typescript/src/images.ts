import { withCallbacks } from './callbacks'
import type { EngineSession } from './engine-session'
import type { CallOptions, ImageInfo, ProgressOptions } from './types'

/** Asks for something about images that takes a while, and passes on how far it has come. */
export function requestWithProgress<Result>(
    session: EngineSession, method: string, params: Record<string, unknown>, { onProgress }: ProgressOptions,
    options: CallOptions, undo?: (result: Result) => void,
): Promise<Result> {
    if (onProgress === undefined) return session.call<Result>(method, params, options, undo)
    return withCallbacks(options, async (guard, guarded) => {
        const progress = session.subscribeProgress((report) => guard(() => onProgress(report)))
        try {
            return await session.call<Result>(method, { ...params, workDoneToken: progress.token }, guarded, undo)
        } finally {
            progress.end()
        }
    })
}

/** Takes an image's name away that a request gave after it had been cancelled. */
export function discardImage(session: EngineSession, { ref }: ImageInfo): void {
    session.call('image/remove', { ref })
        .catch((error: Error) => process.emitWarning(`isorun: image ${ref} is left over: ${error.message}`))
}
