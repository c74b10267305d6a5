"""What pages of this server are told: the key without which the hub lets nobody use the server, whoever is logged in."""

KEY = "X-Hubd-Key"


def with_key(before):
    """A hook for page configurations that adds the key of the request, after what the hook `before` does."""

    def page_config(handler, config):
        if before:
            config = before(handler, config)
        key = handler.request.headers.get(KEY)
        # Never into `config`: it is shared by all requests.
        return {**config, "token": key, "appendToken": True} if key else config

    return page_config
