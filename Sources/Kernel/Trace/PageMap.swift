import CKernel
import Glibc

/// Which pages a process has, from /proc/PID/pagemap.
public struct PageMap: ~Copyable {
    private let file: OwnedFD
    private let process: Int32

    public init(of process: Int32) throws(KernelError) {
        self.process = process
        file = try OwnedFD.open(FilePath(verbatim: "/proc/\(process)/pagemap"), .read)
    }

    /// The ranges within `range` that are the process's own: written, thus neither the file's nor the common page of zeros.
    ///
    /// Costs nothing for what is not there, however large the range.
    public func ownPages(in range: Range<UInt64>) throws(KernelError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        var regions = [ck_page_region](repeating: ck_page_region(), count: 512)
        var position = range.lowerBound
        while position < range.upperBound {
            var walked: UInt64 = 0
            let start = position
            let count = try check("ioctl(PAGEMAP_SCAN)", "\(process)") {
                // unsafe: the kernel fills at most the array.
                unsafe ck_pagemap_scan(
                    file.rawValue, start, range.upperBound, UInt64(CK_PAGE_IS_PRESENT | CK_PAGE_IS_SWAPPED),
                    UInt64(CK_PAGE_IS_FILE | CK_PAGE_IS_ZERO), &regions, regions.count, &walked)
            }
            for region in regions.prefix(Int(count)) {
                if let last = found.last, last.upperBound == region.start {
                    found[found.count - 1] = last.lowerBound..<region.end
                } else {
                    found.append(region.start..<region.end)
                }
            }
            if walked <= position { break }
            position = walked
        }
        return found
    }
}
