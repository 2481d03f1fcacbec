"""The control service: accounts, meetings, chat, tickets, and the register of nodes.

Each slice is a folder with the same few files: `routes` speak HTTP and own the transaction, `service`
holds the rules, `store` holds the tables and all the SQL, `schema` the JSON shapes. `edge` is what every
request passes on its way in and out; `app` puts the parts together. Control never touches media: it
knows the nodes by `sfu.contract` alone, and a call goes on when control is gone.
"""
