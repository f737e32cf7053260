import Protocol
import Sandbox

enum PortForwardHandler: RequestHandler {
    typealias Request = PortForward

    static func handle(_ params: PortForward.Params, _ context: RequestContext) async throws -> PortObject {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        return try await BlockingWork.run {
            PortObject(try sandbox.forward(UInt16(params.port), hostPort: params.hostPort.map { UInt16($0) }))
        }
    }
}

enum PortCloseHandler: RequestHandler {
    typealias Request = PortClose

    static func handle(_ params: PortClose.Params, _ context: RequestContext) async throws -> NullResult {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        try await BlockingWork.run { try sandbox.closeForward(of: UInt16(params.port)) }
        return NullResult()
    }
}

enum PortListHandler: RequestHandler {
    typealias Request = PortList

    static func handle(_ params: SandboxOnlyParams, _ context: RequestContext) async throws -> PortList.Result {
        let sandbox = try context.runtime.manager.sandbox(params.sandboxID)
        return PortList.Result(ports: try sandbox.forwardedPorts().map { PortObject($0) })
    }
}

extension PortObject {
    init(_ forwarded: ForwardedPort) {
        self.init(
            port: Int(forwarded.port), hostAddress: ForwardedPort.hostAddress, hostPort: Int(forwarded.hostPort))
    }
}
