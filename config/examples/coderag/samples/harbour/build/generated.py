# generated: assign_berth
