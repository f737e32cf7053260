import CKernel
import Glibc
import Kernel

/// epoll(7): what it watches is put in from inside the process, for it is known by the process's own descriptor numbers.
struct PollSetImage: Codable, Sendable {
    var entries: [Entry]

    struct Entry: Codable, Sendable {
        var descriptor: Int32
        var events: UInt32
        var data: UInt64
    }
}

enum PollSets {
    /// From lines as `tfd: 5 events: 19 data: 7f… pos:0 ino:… sdev:…`.
    static func capture(_ view: DescriptorView) -> PollSetImage {
        PollSetImage(
            entries: view.info.lines.compactMap { line in
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard line.hasPrefix("tfd:"), fields.count >= 6, let descriptor = Int32(fields[1]),
                    let events = UInt32(fields[3], radix: 16), let data = UInt64(fields[5], radix: 16)
                else { return nil }
                return .init(descriptor: descriptor, events: events, data: data)
            })
    }

    static func open() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("epoll_create1") { ck_epoll_create() })
    }

    /// struct epoll_event, packed on x86-64.
    static func eventBytes(_ entry: PollSetImage.Entry) -> [UInt8] {
        plainBytes(of: entry.events) + plainBytes(of: entry.data)
    }
}
