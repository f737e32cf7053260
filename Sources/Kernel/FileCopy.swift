import CKernel
import Glibc

/// Copies the content of regular files: shared blocks where the filesystem can, else in the kernel, else through a
/// buffer; holes stay holes.
///
/// It remembers what the pair of filesystems cannot do, so use one for many files of the same two trees.
public struct FileContentCopier {
    private var canClone = true
    private var canCopyInKernel = true
    private var buffer: [UInt8] = []

    private static let bufferSize = 256 * 1024

    public init() {}

    /// - Parameters:
    ///   - source: open for reading.
    ///   - status: the source's status, for its size and for whether it has holes.
    ///   - target: empty, open for writing.
    ///   - isCancelled: asked between parts of a large file.
    /// - Returns: false when it stopped because of `isCancelled`; the target is then incomplete.
    public mutating func copy(
        _ source: borrowing OwnedFD, _ status: FileStatus, to target: borrowing OwnedFD, isCancelled: () -> Bool
    ) throws(KernelError) -> Bool {
        if status.size == 0 { return true }
        if canClone {
            if try Self.clone(source, to: target) { return true }
            canClone = false
        }
        // A file that takes less room than its size has holes (or is compressed: then looking for holes costs little).
        if status.allocatedSize >= status.size {
            return try copyRange(source, to: target, 0..<status.size, isCancelled)
        }
        return try copyData(source, to: target, size: status.size, isCancelled)
    }

    /// Makes `target` share the blocks of `source`; false where that cannot be.
    public static func clone(
        _ source: borrowing OwnedFD, to target: borrowing OwnedFD
    ) throws(KernelError) -> Bool {
        let from = source.rawValue
        let to = target.rawValue
        do throws(KernelError) {
            try check("ioctl(FICLONE)") { ck_ficlone(to, from) }
            return true
        } catch {
            // Not that filesystem, not between these two, not for this kind of file (ioctl_ficlone(2)).
            switch error.errno {
            case .notSupported, .crossDevice, .invalid, .notTerminal, .notPermitted, .notImplemented: return false
            default: throw error
            }
        }
    }

    /// Copies only where the file has data, and ends with its size, so that holes stay holes.
    private mutating func copyData(
        _ source: borrowing OwnedFD, to target: borrowing OwnedFD, size: Int64, _ isCancelled: () -> Bool
    ) throws(KernelError) -> Bool {
        let from = source.rawValue
        var position: Int64 = 0
        while position < size {
            let data: Int64
            do throws(KernelError) {
                data = Int64(try check("lseek(SEEK_DATA)") { lseek(from, Int(position), ck_SEEK_DATA) })
            } catch {
                // ENXIO: nothing but a hole up to the end (lseek(2)).
                if error.errno == .noSuchDevice { break }
                throw error
            }
            let hole = Int64(try check("lseek(SEEK_HOLE)") { lseek(from, Int(data), ck_SEEK_HOLE) })
            if !(try copyRange(source, to: target, data..<min(hole, size), isCancelled)) { return false }
            position = hole
        }
        try target.setSize(size)
        return true
    }

    private mutating func copyRange(
        _ source: borrowing OwnedFD, to target: borrowing OwnedFD, _ range: Range<Int64>, _ isCancelled: () -> Bool
    ) throws(KernelError) -> Bool {
        // So much at a time that a cancelled copy of a huge file ends soon.
        let part: Int64 = 64 * 1024 * 1024
        var position = range.lowerBound
        while position < range.upperBound {
            if isCancelled() { return false }
            let wanted = Int(min(part, range.upperBound - position))
            let copied: Int
            if canCopyInKernel, let count = try copyInKernel(source, to: target, at: position, wanted) {
                copied = count
            } else {
                canCopyInKernel = false
                copied = try copyThroughBuffer(source, to: target, at: position, wanted)
            }
            // The file became shorter meanwhile: what is there has been copied.
            if copied == 0 { break }
            position += Int64(copied)
        }
        return true
    }

    /// - Returns: nil when the kernel cannot copy between these two files.
    private func copyInKernel(
        _ source: borrowing OwnedFD, to target: borrowing OwnedFD, at position: Int64, _ length: Int
    ) throws(KernelError) -> Int? {
        let from = source.rawValue
        let to = target.rawValue
        var sourceOffset = off_t(position)
        var targetOffset = off_t(position)
        do throws(KernelError) {
            return try check("copy_file_range") {
                // unsafe: the kernel reads and advances the two offsets within the call.
                unsafe ck_copy_file_range(from, &sourceOffset, to, &targetOffset, length)
            }
        } catch {
            switch error.errno {
            case .crossDevice, .invalid, .notImplemented, .notSupported: return nil
            default: throw error
            }
        }
    }

    private mutating func copyThroughBuffer(
        _ source: borrowing OwnedFD, to target: borrowing OwnedFD, at position: Int64, _ length: Int
    ) throws(KernelError) -> Int {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: FileContentCopier.bufferSize) }
        let from = source.rawValue
        let to = target.rawValue
        let wanted = min(length, buffer.count)
        let received = try check("pread") {
            // unsafe: the kernel writes at most the buffer's length.
            unsafe buffer.withUnsafeMutableBytes { unsafe pread(from, $0.baseAddress, wanted, Int(position)) }
        }
        var written = 0
        while written < received {
            written += try check("pwrite") {
                // unsafe: the kernel reads what is left of the received bytes.
                unsafe buffer.withUnsafeBytes {
                    unsafe pwrite(to, $0.baseAddress! + written, received - written, Int(position) + written)
                }
            }
        }
        return received
    }
}
