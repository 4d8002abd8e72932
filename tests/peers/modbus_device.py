"""A Modbus device of unit 1, by pymodbus alone: `tcp PORT` or `rtu TERMINAL`.

Coils and discrete inputs 0 to 15 are set where their number is a multiple of 3. Holding registers 0 to 124 hold
1000 + their number, input registers 2000 + their number. Holding register 300 answers late, after one second; every
other address is refused with exception 02.
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def slow(function_code, start_address, address, count, current_registers, set_values):
    if function_code == 3 and address == 300:
        await asyncio.sleep(1)


def device():
    bits = [number % 3 == 0 for number in range(16)]
    coils = [SimData(0, values=bits, datatype=DataType.BITS)]
    inputs = [SimData(0, values=bits, datatype=DataType.BITS)]
    holding = [
        SimData(0, values=[1000 + number for number in range(125)], datatype=DataType.REGISTERS),
        SimData(300, values=[0xAAAA], datatype=DataType.REGISTERS),
    ]
    words = [SimData(0, values=[2000 + number for number in range(125)], datatype=DataType.REGISTERS)]
    return SimDevice(1, simdata=(coils, inputs, holding, words), action=slow)


async def main(kind, where):
    if kind == "tcp":
        server = ModbusTcpServer(device(), address=("127.0.0.1", int(where)))
    else:
        server = ModbusSerialServer(device(), framer=FramerType.RTU, port=where, baudrate=19200)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
