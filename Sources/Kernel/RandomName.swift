import CKernel
import Glibc

/// Names that nobody else has: the kernel's random source, as hexadecimal digits.
public enum RandomName {
    public static func hex(bytes count: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: count)
        // unsafe: getrandom fills the array. For at most 256 bytes it neither fails nor stops short (getrandom(2)).
        let filled = unsafe ck_getrandom(&bytes, UInt(count))
        precondition(filled == count, "getrandom is there since Linux 3.17")
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
