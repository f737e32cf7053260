import CKernel
import Glibc

extension ProcessMemory {
    private static let bufferSize = 1 << 20

    /// Writes pages of a process that stands still to a file, one range after another.
    ///
    /// - Parameter offset: of the first page in the file.
    public func save(_ ranges: [Range<UInt64>], to target: borrowing OwnedFD, at offset: Int64) throws(KernelError) {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var filled = 0
        var position = offset
        for range in ranges {
            var address = range.lowerBound
            while address < range.upperBound {
                let size = min(Int(range.upperBound - address), Self.bufferSize - filled)
                // unsafe: `size` bytes from `filled` on are within the buffer.
                unsafe try read(size, at: address, to: buffer + filled)
                address += UInt64(size)
                filled += size
                if filled == Self.bufferSize {
                    unsafe try Self.write(buffer, filled, to: target, at: &position)
                    filled = 0
                }
            }
        }
        unsafe try Self.write(buffer, filled, to: target, at: &position)
    }

    private func read(_ count: Int, at address: UInt64, to buffer: UnsafeMutableRawPointer) throws(KernelError) {
        var done = 0
        while done < count {
            let part = try check("read", "memory of \(process)") {
                unsafe pread(file.rawValue, buffer + done, count - done, Int(address) + done)
            }
            if part == 0 { throw KernelError("read", "memory of \(process) at \(address)", errno: .invalid) }
            done += part
        }
    }

    private static func write(
        _ buffer: UnsafeMutableRawPointer, _ count: Int, to target: borrowing OwnedFD, at position: inout Int64
    ) throws(KernelError) {
        var done = 0
        while done < count {
            let start = Int(position)
            let part = try check("pwrite", "captured memory") {
                unsafe pwrite(target.rawValue, buffer + done, count - done, start)
            }
            done += part
            position += Int64(part)
        }
    }
}
