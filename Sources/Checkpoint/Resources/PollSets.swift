import CKernel
import Glibc
import Kernel

/// epoll(7): what it watches is put in from inside the process, for it is known by the process's own descriptor numbers.
struct PollSetImage: Codable, Sendable {
    /// Filled in by `PollTargets`, when all descriptions are known.
    var entries: [Entry] = []
    /// How many more it has, of files that nobody has whom the capture keeps.
    var lostEntries = 0

    struct Entry: Codable, Sendable {
        /// Under which the file was entered. It may have been closed since: a set watches open files, not numbers (epoll(7)).
        var descriptor: Int32
        var events: UInt32
        var data: UInt64
        /// What is watched, an index into `TreeImage.descriptions`.
        var target: Int
    }
}

enum PollSets {
    static func open() throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("epoll_create1") { ck_epoll_create() })
    }

    /// struct epoll_event, packed on x86-64.
    static func eventBytes(_ entry: PollSetImage.Entry) -> [UInt8] {
        plainBytes(of: entry.events) + plainBytes(of: entry.data)
    }
}
