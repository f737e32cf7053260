import Testing
@testable import Kernel

@Suite struct KernelErrorTests {
    @Test func namesCallSubjectAndErrno() {
        let error = KernelError("mount", "/x", errno: .busy)
        #expect(error.description == "mount /x: EBUSY (Device or resource busy)")
    }
}
