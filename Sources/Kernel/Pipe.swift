import CKernel
import Glibc

/// A fresh pipe, close-on-exec. Each end is closed with it unless it was taken.
public struct Pipe: ~Copyable {
    /// For a system call made while the end was not taken.
    public let readDescriptor: Int32
    public let writeDescriptor: Int32
    private var readEnd: OwnedFD?
    private var writeEnd: OwnedFD?

    public init() throws(KernelError) {
        var ends: [Int32] = [-1, -1]
        // unsafe: pipe2 fills the two elements.
        try check("pipe2") { unsafe ck_pipe(&ends) }
        (readDescriptor, writeDescriptor) = (ends[0], ends[1])
        readEnd = OwnedFD(takingOver: ends[0])
        writeEnd = OwnedFD(takingOver: ends[1])
    }

    /// Hands the read end on. Once.
    public mutating func takeReadEnd() -> OwnedFD {
        guard let end = readEnd.take() else { preconditionFailure("the read end was taken before") }
        return end
    }

    /// Hands the write end on. Once.
    public mutating func takeWriteEnd() -> OwnedFD {
        guard let end = writeEnd.take() else { preconditionFailure("the write end was taken before") }
        return end
    }
}

extension OwnedFD {
    public func setNonblocking() throws(KernelError) {
        let flags = try check("fcntl(F_GETFL)") { fcntl(rawValue, F_GETFL) }
        try check("fcntl(F_SETFL)") { fcntl(rawValue, F_SETFL, flags | O_NONBLOCK) }
    }

    /// What one non-blocking read gave.
    public enum ReadOutcome {
        case bytes([UInt8])
        case wouldBlock
        case end
    }

    /// Reads once, at most `limit` bytes.
    public func readOnce(upTo limit: Int) throws(KernelError) -> ReadOutcome {
        var failure: KernelError?
        // unsafe: read fills at most `limit` bytes of the fresh array's storage, and none when it fails.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            do throws(KernelError) {
                count = try check("read", "\(rawValue)") { unsafe Glibc.read(rawValue, buffer.baseAddress, limit) }
            } catch {
                failure = error
            }
        }
        if failure?.errno == .again { return .wouldBlock }
        if let failure { throw failure }
        return bytes.isEmpty ? .end : .bytes(bytes)
    }

    /// How many bytes a pipe or socket holds for its reader.
    public func availableBytes() throws(KernelError) -> Int {
        Int(try check("ioctl(FIONREAD)", "\(rawValue)") { ck_available_bytes(rawValue) })
    }

    /// Writes once; how many bytes were taken, 0 when the descriptor is non-blocking and full.
    public func writeOnce(_ bytes: ArraySlice<UInt8>) throws(KernelError) -> Int {
        do throws(KernelError) {
            return try check("write", "\(rawValue)") {
                // unsafe: the slice's storage is valid inside the closure.
                unsafe bytes.withUnsafeBytes { unsafe Glibc.write(rawValue, $0.baseAddress, $0.count) }
            }
        } catch let error where error.errno == .again {
            return 0
        }
    }
}
