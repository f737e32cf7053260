import Kernel

/// Lines for people, on standard error. Nothing but protocol ever reaches standard output.
enum Log {
    static func write(_ text: String) {
        let line = Array("isorun-engine: \(text)\n".utf8)
        StandardError.write(line)
    }
}
