/// FNV-1a with 64 bits (Fowler, Noll, Vo): finds torn and damaged files of the store. It protects against accidents, not
/// against people who can write to the store.
public func fnv1a64(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes {
        hash ^= UInt64(byte)
        hash = hash &* 0x100_0000_01b3
    }
    return hash
}
