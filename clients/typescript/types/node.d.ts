// The part of Node's API that this package uses, so that it compiles without a package registry.
// `types: []` in tsconfig.json keeps a `@types/node` that happens to be installed from colliding with it.

interface Buffer extends Uint8Array {
    write(text: string, offset?: number, encoding?: 'utf8' | 'latin1'): number;
    indexOf(value: string | number, byteOffset?: number, encoding?: 'utf8' | 'latin1'): number;
    subarray(start?: number, end?: number): Buffer;
    toString(encoding?: 'utf8' | 'base64' | 'latin1', start?: number, end?: number): string;
}
declare const Buffer: {
    from(text: string, encoding: 'utf8' | 'base64' | 'latin1'): Buffer;
    from(buffer: ArrayBufferLike, byteOffset: number, length: number): Buffer;
    allocUnsafe(size: number): Buffer;
    byteLength(text: string, encoding: 'utf8'): number;
    concat(list: readonly Uint8Array[]): Buffer;
};

interface Timer {
    unref(): this;
}
declare function setTimeout(callback: () => void, ms: number): Timer;
declare function clearTimeout(timer: Timer | undefined): void;

declare class AbortController {
    readonly signal: AbortSignal;
    abort(reason?: unknown): void;
}
interface AbortSignal {
    readonly aborted: boolean;
    readonly reason: unknown;
    addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
    removeEventListener(type: 'abort', listener: () => void): void;
}

declare const process: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly pid: number;
    emitWarning(warning: string | Error): void;
    nextTick(callback: () => void): void
};

declare module 'node:child_process' {
    interface Pipe {
        setEncoding(encoding: 'utf8'): this;
        destroy(): this;
        ref(): this;
        unref(): this;
    }
    interface InputPipe extends Pipe {
        write(chunk: Uint8Array): boolean;
        end(): this;
        on(event: 'drain', listener: () => void): this;
        on(event: 'error', listener: (error: Error) => void): this;
    }
    interface OutputPipe<Chunk> extends Pipe {
        on(event: 'data', listener: (chunk: Chunk) => void): this;
    }
    interface ChildProcess {
        readonly pid?: number;
        readonly stdin: InputPipe;
        readonly stdout: OutputPipe<Buffer>;
        readonly stderr: OutputPipe<string>;
        kill(signal: string): boolean;
        ref(): void;
        unref(): void;
        on(event: 'spawn', listener: () => void): this;
        on(event: 'error', listener: (error: Error) => void): this;
        on(event: 'exit' | 'close', listener: (code: number | null, signal: string | null) => void): this;
    }
    interface SpawnOptions {
        readonly env: Readonly<Record<string, string | undefined>>;
        readonly stdio: readonly ['pipe', 'pipe', 'pipe'];
        readonly detached: boolean;
    }
    function spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
}

declare module 'node:fs' {
    const constants: { readonly X_OK: number };
    function accessSync(path: string, mode: number): void;
    function statSync(path: string): { isFile(): boolean };
}

declare module 'node:path' {
    const delimiter: string;
    function join(...parts: string[]): string;
}
