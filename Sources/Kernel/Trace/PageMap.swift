import CKernel
import Glibc

/// Which pages a process has, from /proc/PID/pagemap.
///
/// A page is the process's own when it was written: then it is neither the file's nor the common page of zeros.
public struct PageMap: ~Copyable {
    /// Of one call; most mappings have a few, and room for many would cost more to clear than a second call.
    private static let regionLimit = 256

    private let file: OwnedFD
    private let process: Int32

    public init(of process: Int32) throws(KernelError) {
        self.process = process
        file = try OwnedFD.open(FilePath(verbatim: "/proc/\(process)/pagemap"), .read)
    }

    /// The ranges within `range` that are the process's own. Costs nothing for what is not there, however large the range.
    public func ownPages(in range: Range<UInt64>) throws(KernelError) -> [Range<UInt64>] {
        try find(in: range, choice(required: 0, tracks: false))
    }

    /// Whether a page within `range` is the process's own. Looks no further than to the first.
    public func hasOwnPages(in range: Range<UInt64>) throws(KernelError) -> Bool {
        var choice = choice(required: 0, tracks: false)
        choice.page_limit = 1
        return try !find(in: range, choice).isEmpty
    }

    /// The ranges within `range` that are there, whosever they are.
    public func presentPages(in range: Range<UInt64>) throws(KernelError) -> [Range<UInt64>] {
        var choice = choice(required: 0, tracks: false)
        choice.unwanted = 0
        return try find(in: range, choice)
    }

    /// The ranges within `range` that are the process's own and were written since the last call; all of them where no
    /// `WriteTracker` tracks writes.
    public func takeWrites(in range: Range<UInt64>) throws(KernelError) -> [Range<UInt64>] {
        try find(in: range, choice(required: UInt64(CK_PAGE_IS_WRITTEN), tracks: true))
    }

    private func choice(required: UInt64, tracks: Bool) -> ck_page_choice {
        ck_page_choice(
            required: required, wanted: UInt64(CK_PAGE_IS_PRESENT | CK_PAGE_IS_SWAPPED),
            unwanted: UInt64(CK_PAGE_IS_FILE | CK_PAGE_IS_ZERO), tracks: tracks ? 1 : 0, page_limit: 0)
    }

    private func find(in range: Range<UInt64>, _ choice: ck_page_choice) throws(KernelError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        var regions = [ck_page_region](repeating: ck_page_region(), count: Self.regionLimit)
        var position = range.lowerBound
        while position < range.upperBound {
            var walked: UInt64 = 0
            let start = position
            let count = try check("ioctl(PAGEMAP_SCAN)", "\(process)") {
                // unsafe: the kernel fills at most the array.
                unsafe ck_pagemap_scan(
                    file.rawValue, start, range.upperBound, choice, &regions, regions.count, &walked)
            }
            for region in regions.prefix(Int(count)) {
                if let last = found.last, last.upperBound == region.start {
                    found[found.count - 1] = last.lowerBound..<region.end
                } else {
                    found.append(region.start..<region.end)
                }
            }
            if walked <= position || (choice.page_limit > 0 && !found.isEmpty) { break }
            position = walked
        }
        return found
    }
}
